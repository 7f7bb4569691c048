# A cluster with one node group, by Terraform's own AWS provider. The profile is what `naru configure-aws` writes.
#
#     naru configure-aws && terraform init && terraform apply

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.80" }
  }
}

provider "aws" {
  profile = "naru" # address, region, CA and access key

  # The region is none of AWS's, and there is no machine metadata.
  skip_region_validation      = true
  skip_metadata_api_check     = true
  skip_credentials_validation = false
}

data "aws_subnets" "all" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com", "ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "eks" {
  name               = "eks"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.eks.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "prod" {
  name     = "prod"
  role_arn = aws_iam_role.eks.arn

  vpc_config { subnet_ids = data.aws_subnets.all.ids }
  access_config { authentication_mode = "API" }

  # The small control plane; without the tag there are three members.
  tags = { "naru.dev/control-plane-replicas" = "1" }

  depends_on = [aws_iam_role_policy_attachment.cluster]
}

resource "aws_eks_node_group" "web" {
  cluster_name    = aws_eks_cluster.prod.name
  node_group_name = "web"
  node_role_arn   = aws_iam_role.eks.arn
  subnet_ids      = data.aws_subnets.all.ids
  instance_types  = ["t3.medium"]

  scaling_config {
    min_size     = 1
    max_size     = 3
    desired_size = 2
  }
}

output "endpoint" { value = aws_eks_cluster.prod.endpoint }
