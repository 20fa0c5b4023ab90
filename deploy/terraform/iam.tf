# ---- The server: rooms, manifests and sign-ins ----
data "aws_iam_policy_document" "ec2_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "server" {
  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = [for bucket in aws_s3_bucket.this : bucket.arn]
  }
  statement {
    sid       = "ReadAndWriteObjects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [for bucket in aws_s3_bucket.this : "${bucket.arn}/*"]
  }
  statement {
    sid       = "Rooms"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:DescribeTable"]
    resources = [aws_dynamodb_table.rooms.arn]
  }
  statement {
    sid       = "EphemeralUsers" # InitiateAuth needs no permission
    actions   = ["cognito-idp:AdminCreateUser", "cognito-idp:AdminSetUserPassword"]
    resources = [aws_cognito_user_pool.this.arn]
  }
}

resource "aws_iam_role" "server" {
  name               = "${var.name}-server"
  assume_role_policy = data.aws_iam_policy_document.ec2_trust.json
}

resource "aws_iam_role_policy" "server" {
  name   = "rooms"
  role   = aws_iam_role.server.id
  policy = data.aws_iam_policy_document.server.json
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.server.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "server" {
  name = "${var.name}-server"
  role = aws_iam_role.server.name
}

# ---- GPU workers: one role for each room, which reaches that room's prefix and nothing else ----
locals {
  worker_rooms = var.oidc_provider_arn == "" ? toset([]) : var.worker_rooms
  oidc_issuer  = try(split("oidc-provider/", var.oidc_provider_arn)[1], "")
}

data "aws_iam_policy_document" "worker_trust" {
  for_each = local.worker_rooms
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.oidc_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.oidc_issuer}:sub"
      # A service account for each room: pods of one room must not be able to take another room's role.
      values = ["system:serviceaccount:${var.worker_namespace}:sleap-rtc-${each.key}"]
    }
  }
}

data "aws_iam_policy_document" "worker" {
  for_each = local.worker_rooms
  statement {
    # With it S3 answers 404 for a missing object of the room; without it, 403.
    sid       = "ListTheRoom"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["rooms"].arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${each.key}/*"]
    }
  }
  statement {
    sid     = "ReadTheRoom"
    actions = ["s3:GetObject"]
    # Not room.json, which is the server's.
    resources = [for path in ["manifest.json", "models/*", "datasets/*", "jobs/*"] :
    "${aws_s3_bucket.this["rooms"].arn}/${each.key}/${path}"]
  }
  statement {
    sid     = "WriteModelsAndJobs" # not the manifest, which the room's registry workflow writes
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [for path in ["models/*", "datasets/*", "jobs/*"] :
    "${aws_s3_bucket.this["rooms"].arn}/${each.key}/${path}"]
  }
  statement {
    sid       = "ReplaceCheckpoints" # a running job removes its older ones; the control worker removes the rest
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.this["rooms"].arn}/${each.key}/jobs/*/checkpoints/*"]
  }
  statement {
    sid       = "GiveUpClaims" # claims keep two jobs from writing into one model
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.this["rooms"].arn}/${each.key}/models/*/claim.json"]
  }
}

resource "aws_iam_role" "worker" {
  for_each           = local.worker_rooms
  name               = "${var.name}-worker-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.worker_trust[each.key].json
}

resource "aws_iam_role_policy" "worker" {
  for_each = local.worker_rooms
  name     = "room"
  role     = aws_iam_role.worker[each.key].id
  policy   = data.aws_iam_policy_document.worker[each.key].json
}
