terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
  # State holds names and addresses, no secrets. For more than one administrator use a shared backend:
  # backend "s3" { bucket = "…", key = "sleap-rtc.tfstate", region = "…", use_lockfile = true }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = "sleap-rtc" }
  }
}
