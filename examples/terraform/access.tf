# Somebody else, who may read in the namespaces of the team.
resource "aws_iam_user" "alice" {
  name = "prod-alice"
}

resource "aws_eks_access_entry" "alice" {
  cluster_name      = aws_eks_cluster.prod.name
  principal_arn     = aws_iam_user.alice.arn
  kubernetes_groups = ["team-${var.team}"]
}

resource "aws_eks_access_policy_association" "alice" {
  cluster_name  = aws_eks_cluster.prod.name
  principal_arn = aws_eks_access_entry.alice.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"

  access_scope {
    type       = "namespace"
    namespaces = ["${var.team}-*"]
  }
}

# Users of an OpenID Connect provider, where one is named. It is there once the cluster's API servers have reached the issuer.
resource "aws_eks_identity_provider_config" "users" {
  count        = var.issuer == null ? 0 : 1
  cluster_name = aws_eks_cluster.prod.name

  oidc {
    identity_provider_config_name = "users"
    issuer_url                    = var.issuer
    client_id                     = "kubernetes"
    username_claim                = "email"
    groups_claim                  = "groups"
    groups_prefix                 = "users:"
  }
}
