# Anonymous accounts: the server creates a user for every first sign-in and stores no password. Whoever has a user's refresh token
# remains this user. Nobody can sign up by themselves.
resource "aws_cognito_user_pool" "this" {
  name                = var.name
  deletion_protection = "INACTIVE" # without it everyone becomes a new user, and nothing else is lost

  admin_create_user_config {
    allow_admin_create_user_only = true
  }
  account_recovery_setting {
    recovery_mechanism {
      name     = "admin_only"
      priority = 1
    }
  }
  password_policy {
    minimum_length                   = 20
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = true
    require_uppercase                = true
    temporary_password_validity_days = 1
  }
}

resource "aws_cognito_user_pool_client" "this" {
  name            = var.name
  user_pool_id    = aws_cognito_user_pool.this.id
  generate_secret = false

  explicit_auth_flows           = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true

  id_token_validity      = 1
  access_token_validity  = 1
  refresh_token_validity = 3650 # the longest
  token_validity_units {
    id_token      = "hours"
    access_token  = "hours"
    refresh_token = "days"
  }
}
