# The signaling server and the control worker: `docker build -f deploy/server.Dockerfile .`
# The command chooses the process; the default is the signaling server.
ARG NODE_IMAGE=node:22.23.3-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    NODE_OPTIONS=--disable-warning=ExperimentalWarning
WORKDIR /app
# Node runs the sources directly. Layers: Node, dependencies (they seldom change), our code (under a megabyte).
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY protocol ./protocol
COPY transport ./transport
COPY workflows ./workflows
COPY storage ./storage
COPY activities ./activities
COPY workers ./workers
COPY signaling ./signaling
COPY dashboard ./dashboard
COPY deploy/checks ./deploy/checks
# The user `node`, by number, so that Kubernetes can see that it is not root.
USER 1000
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=6 \
  CMD ["node", "deploy/checks/answers.mjs", "http://127.0.0.1:8080/health"]
CMD ["node", "--disable-warning=ExperimentalWarning", "signaling/main.ts"]
