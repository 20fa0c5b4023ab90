data "aws_ssm_parameter" "ubuntu" {
  name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
}

resource "aws_security_group" "server" {
  name        = "${var.name}-server"
  description = "SLEAP-RTC server"
  vpc_id      = var.vpc_id
}

locals {
  open_to_all = {
    "http, for certificates" = { protocol = "tcp", from = 80, to = 80 }
    "https"                  = { protocol = "tcp", from = 443, to = 443 }
    "STUN and TURN, UDP"     = { protocol = "udp", from = 3478, to = 3478 }
    "STUN and TURN, TCP"     = { protocol = "tcp", from = 3478, to = 3478 }
    "TURN relays"            = { protocol = "udp", from = 49160, to = 49960 }
  }
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each          = local.open_to_all
  security_group_id = aws_security_group.server.id
  description       = each.key
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "temporal" {
  for_each          = toset(var.worker_cidrs)
  security_group_id = aws_security_group.server.id
  description       = "Temporal, for GPU workers"
  ip_protocol       = "tcp"
  from_port         = 7233
  to_port           = 7233
  cidr_ipv4         = each.key
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each          = toset(var.admin_cidrs)
  security_group_id = aws_security_group.server.id
  description       = "SSH"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = each.key
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.server.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_eip" "server" {
  domain = "vpc"
}

resource "aws_eip_association" "server" {
  allocation_id = aws_eip.server.id
  instance_id   = aws_instance.server.id
}

resource "aws_instance" "server" {
  ami                    = data.aws_ssm_parameter.ubuntu.insecure_value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.server.id]
  iam_instance_profile   = aws_iam_instance_profile.server.name

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 2 # containers ask for the role's credentials
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = 60
    encrypted   = true
  }
  user_data = templatefile("${path.module}/first-boot.sh.tftpl", {
    repository   = var.repository
    revision     = var.revision
    host_name    = var.host_name
    public_ip    = aws_eip.server.public_ip
    region       = var.region
    rooms_bucket = aws_s3_bucket.this["rooms"].bucket
    state_bucket = aws_s3_bucket.this["state"].bucket
    rooms_table  = aws_dynamodb_table.rooms.name
    pool_id      = aws_cognito_user_pool.this.id
    client_id    = aws_cognito_user_pool_client.this.id
    private_bind = length(var.worker_cidrs) > 0
  })
  lifecycle {
    ignore_changes = [ami, user_data] # Temporal's database is on it: upgrade in place, see docs/admins.md
  }
  tags = { Name = "${var.name}-server" }
}
