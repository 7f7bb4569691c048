locals {
  # Who may assume each role.
  roles = {
    eks     = "eks.amazonaws.com"
    nodes   = "ec2.amazonaws.com"
    pods    = "pods.eks.amazonaws.com"
    fargate = "eks-fargate-pods.amazonaws.com"
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = [each.value]
    }
  }
}

resource "aws_iam_role" "of" {
  for_each           = local.roles
  name               = "prod-${each.key}"
  description        = "Of the cluster prod: ${each.value}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.of["eks"].name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_iam_role_policy_attachment" "nodes" {
  role       = aws_iam_role.of["nodes"].name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
}

# What pods of the service account "app" may do, by the role "prod-pods".
resource "aws_iam_policy" "look" {
  name   = "prod-look"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["eks:ListClusters", "eks:DescribeCluster"], Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "pods" {
  role       = aws_iam_role.of["pods"].name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_eks_pod_identity_association" "app" {
  cluster_name    = aws_eks_cluster.prod.name
  namespace       = "default"
  service_account = "app"
  role_arn        = aws_iam_role.of["pods"].arn
}

# The other way to give pods a role: the cluster's tokens are accepted by IAM.
resource "aws_iam_openid_connect_provider" "cluster" {
  url             = aws_eks_cluster.prod.identity[0].oidc[0].issuer
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["0000000000000000000000000000000000000000"] # older providers want one; Naru knows its own issuers
}

resource "aws_iam_role" "irsa" {
  name = "prod-irsa"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow"
    Action    = "sts:AssumeRoleWithWebIdentity"
    Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
    Condition = { StringEquals = { "${trimprefix(aws_eks_cluster.prod.identity[0].oidc[0].issuer, "https://")}:sub" = "system:serviceaccount:default:irsa" } }
  }] })
}

resource "aws_iam_role_policy" "irsa" {
  name   = "look"
  role   = aws_iam_role.irsa.id
  policy = aws_iam_policy.look.policy
}
