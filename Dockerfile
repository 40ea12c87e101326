# The allocator as a container image (docs/operations.md).
#   docker build --tag lablink .                     local and external machines
#   docker build --tag lablink:aws --target aws .    with Pulumi and its AWS plugin
# A registry of your own, or a proxy, is npm's configuration: `--secret id=npmrc,src=$HOME/.npmrc`.

FROM docker.io/library/node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --no-update-notifier
COPY . .
RUN node codegen/assets.ts && node codegen/agent-bundle.ts && node codegen/bundle.ts \
    && rm --force dist/agent/lablink-agent-linux-x64
# A first start as the image's user: tests the program, and keeps what Node compiled for it, which only this user can use.
RUN mv dist/lablink /opt/lablink \
    && cp /usr/local/bin/node /opt/lablink/bin/ \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin lablink \
    && install --directory --owner=lablink /opt/lablink/compiled
USER 10001
ENV NODE_COMPILE_CACHE=/opt/lablink/compiled NODE_COMPILE_CACHE_PORTABLE=1 NODE_ENV=production
# hadolint ignore=DL3001
RUN export DATA_DIR=/tmp/first PROVIDER=external HOST=127.0.0.1; \
    /opt/lablink/bin/lablink serve >/tmp/start.log 2>&1 & server=$!; \
    until /opt/lablink/bin/lablink healthcheck >/dev/null 2>&1; do \
      kill -0 $server || { cat /tmp/start.log; exit 1; }; sleep 0.2; \
    done; \
    kill $server && wait $server && rm -r /tmp/first

# What AWS needs besides: packages of development, which NODE_ENV leaves out. Pulumi and its plugin are downloaded from Pulumi.
FROM build AS build-aws
USER 0
# Pulumi's installer calls curl.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl && rm -r /var/lib/apt/lists/*
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    --mount=type=cache,target=/root/.npm \
    npm ci --include=dev --no-update-notifier \
    && node codegen/bundle.ts --aws \
    && cp -R dist/lablink/node_modules /opt/lablink/ \
    && PROVIDER=aws DATA_DIR=/tmp/setup PULUMI_CLI_DIR=/opt/pulumi bin/lablink setup \
    && mv /tmp/setup/aws/pulumi-home/plugins/resource-aws-v*/pulumi-resource-aws /opt/pulumi/bin/
USER 10001

FROM docker.io/library/debian:bookworm-slim AS base
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/lablink --shell /usr/sbin/nologin lablink \
    && install --directory --owner=lablink --mode=700 /var/lib/lablink \
    && ln -s /opt/lablink/bin/lablink /usr/local/bin/lablink
USER 10001
WORKDIR /var/lib/lablink
# Only /var/lib/lablink is written to: the root file system can be read-only.
VOLUME /var/lib/lablink
ENV DATA_DIR=/var/lib/lablink HOST=0.0.0.0 PORT=5000 \
    NODE_COMPILE_CACHE=/opt/lablink/compiled NODE_COMPILE_CACHE_PORTABLE=1 NODE_ENV=production
EXPOSE 5000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["lablink", "healthcheck"]
ENTRYPOINT ["lablink"]
CMD ["serve"]

FROM base AS aws
ENV PULUMI_CLI_DIR=/opt/pulumi
COPY --from=build-aws --chown=root:root /opt/pulumi /opt/pulumi
COPY --from=build-aws --chown=root:root /opt/lablink /opt/lablink

# The last stage is the one that is built when none is named.
FROM base AS allocator
COPY --from=build --chown=root:root /opt/lablink /opt/lablink
