# A cluster with everything around it, by Terraform's (or OpenTofu's) own AWS provider. The profile is what `naru configure-aws` writes.
#
#     naru configure-aws && terraform init && terraform apply

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.46" }
  }
}

provider "aws" {
  profile = "naru" # address, region, CA and access key

  # The region is none of AWS's, and there is no machine metadata.
  skip_region_validation      = true
  skip_metadata_api_check     = true
  skip_credentials_validation = false

  default_tags { tags = { team = var.team } }
}

data "aws_subnets" "all" {}

# Who applies this is the cluster's administrator: that is so where access_config is left out.
resource "aws_eks_cluster" "prod" {
  name     = "prod"
  role_arn = aws_iam_role.of["eks"].arn

  enabled_cluster_log_types = var.logs

  vpc_config {
    subnet_ids          = data.aws_subnets.all.ids
    public_access_cidrs = var.cidrs
  }

  # The small control plane; without the tag there are three members.
  tags = { "naru.dev/control-plane-replicas" = "1" }

  depends_on = [aws_iam_role_policy_attachment.cluster]
}

resource "aws_eks_node_group" "web" {
  cluster_name    = aws_eks_cluster.prod.name
  node_group_name = "web"
  node_role_arn   = aws_iam_role.of["nodes"].arn
  subnet_ids      = data.aws_subnets.all.ids
  instance_types  = ["t3.medium"]
  labels          = { team = var.team }

  scaling_config {
    min_size     = 1
    max_size     = 3
    desired_size = var.nodes
  }
  update_config { max_unavailable = 1 }
}

data "aws_eks_addon_version" "coredns" {
  addon_name         = "coredns"
  kubernetes_version = aws_eks_cluster.prod.version
  most_recent        = true
}

# Both come with the cluster: from here on they are configured, and taken away, by this file.
resource "aws_eks_addon" "coredns" {
  cluster_name                = aws_eks_cluster.prod.name
  addon_name                  = "coredns"
  addon_version               = data.aws_eks_addon_version.coredns.version
  configuration_values        = jsonencode({ replicaCount = var.nodes })
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "metrics" {
  cluster_name                = aws_eks_cluster.prod.name
  addon_name                  = "metrics-server"
  resolve_conflicts_on_create = "OVERWRITE"
}

# Each pod of the namespace gets a machine to itself.
resource "aws_eks_fargate_profile" "isolated" {
  cluster_name           = aws_eks_cluster.prod.name
  fargate_profile_name   = "isolated"
  pod_execution_role_arn = aws_iam_role.of["fargate"].arn
  subnet_ids             = data.aws_subnets.all.ids

  selector {
    namespace = "isolated"
    labels    = { isolate = "true" }
  }
}

output "endpoint" { value = aws_eks_cluster.prod.endpoint }
