output "server_address" {
  description = "Point host_name's DNS record here."
  value       = aws_eip.server.public_ip
}

output "server_url" {
  value = "https://${var.host_name}"
}

output "settings" {
  description = "Values for the server's `.env` and the workers' ConfigMap."
  value = {
    SLEAP_RTC_BUCKET               = aws_s3_bucket.this["rooms"].bucket
    SLEAP_RTC_STATE_BUCKET         = aws_s3_bucket.this["state"].bucket
    SLEAP_RTC_ROOMS_TABLE          = aws_dynamodb_table.rooms.name
    SLEAP_RTC_COGNITO_USER_POOL_ID = aws_cognito_user_pool.this.id
    SLEAP_RTC_COGNITO_CLIENT_ID    = aws_cognito_user_pool_client.this.id
    TEMPORAL_ADDRESS               = "${aws_instance.server.private_ip}:7233"
  }
}

output "worker_roles" {
  description = "Role of each room's workers, for the service account's annotation."
  value       = { for room, role in aws_iam_role.worker : room => role.arn }
}
