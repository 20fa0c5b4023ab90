# Sourced by ./quickstart and `npm test`: puts our packages and a Node that is new enough in place, without root.
# What it needs: Node >= 20 with npm. What it leaves: node_modules/, and its .bin (with the pinned Node) first on the PATH.

# A lock file that has not changed since the last install needs none.
lock_state() {
  node -e 'const {createHash}=require("crypto");const {readFileSync}=require("fs");
    console.log(createHash("sha256").update(readFileSync("package-lock.json")).digest("hex"))'
}

command -v npm >/dev/null || { echo "Node 20 or newer with npm is needed: install it, then run this again." >&2; exit 1; }
if [ "$(cat node_modules/.installed-lock 2>/dev/null)" != "$(lock_state)" ]; then
  echo "Installing the npm packages (about a minute) …" >&2
  if [ -f node_modules/.installed-lock ]; then
    npm install --no-save --no-fund --no-audit --loglevel=error >&2 # only what has changed since
  else
    npm ci --no-fund --no-audit --loglevel=error >&2 # also after one that was interrupted
  fi
  lock_state > node_modules/.installed-lock
fi
export PATH="$PWD/node_modules/.bin:$PATH"
export NODE_OPTIONS="--disable-warning=ExperimentalWarning ${NODE_OPTIONS:-}"
