variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Prefix of all names. Bucket names are unique in the world, so use your lab's name."
  type        = string
  default     = "sleap-rtc"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Lower case letters, digits and hyphens."
  }
}

variable "host_name" {
  description = "Public DNS name of the server; point it at the printed address before the first start (its certificate needs it)."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the server."
  type        = string
}

variable "subnet_id" {
  description = "A public subnet of that VPC."
  type        = string
}

variable "instance_type" {
  description = "Instance type. Two cores and 8 GB are enough for PostgreSQL, Temporal and the server of a lab."
  type        = string
  default     = "t3.large"
}

variable "repository" {
  description = "Git URL of this project, readable without a password."
  type        = string
}

variable "revision" {
  description = "Tag or commit that the server runs."
  type        = string
}

variable "admin_cidrs" {
  description = "Networks from which administrators log in by SSH. Empty: only by AWS Session Manager."
  type        = list(string)
  default     = []
}

variable "worker_cidrs" {
  description = "Private networks of the GPU workers (VPN, peered VPC), which may reach Temporal. Never 0.0.0.0/0."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.worker_cidrs, "0.0.0.0/0")
    error_message = "Temporal asks for no password, so it must not be open to the world."
  }
}

variable "worker_rooms" {
  description = "Rooms whose GPU workers get a role of their own, limited to the room's prefix."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for room in var.worker_rooms : can(regex("^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$", room))])
    error_message = "A room's name, of at most 40 characters, since it becomes part of the role's."
  }
}

variable "oidc_provider_arn" {
  description = "The cluster's IAM OIDC provider, for IRSA. Empty: no worker roles."
  type        = string
  default     = ""
}

variable "worker_namespace" {
  description = "Kubernetes namespace of the workers; their service account is sleap-rtc-ROOM, as in deploy/kubernetes."
  type        = string
  default     = "sleap"
}
