# Two stages: build with the scripts of the tree (the ones a developer uses), run with the libraries
# alone, as an ordinary user.
#
#   docker build --build-arg SLUICE_COMMIT="$(git rev-parse --short=12 HEAD)" -t sluice .
#   docker run -e SLUICE_DEMO_ADDRESS=0.0.0.0 -p 8080:8080 -p 8443:8443 sluice demo
#   docker run -p 80:8080 -p 443:8443 \
#     -v "$PWD/conf:/etc/sluice/conf:ro" -v "$PWD/certs:/etc/sluice/certs:ro" sluice

FROM debian:12 AS build
WORKDIR /source
# The packages change less often than the sources: their layer is kept between builds.
COPY scripts/common.sh scripts/install-packages scripts/
RUN scripts/install-packages build
COPY . .
# The repository's history is not copied, so the commit is told.
ARG SLUICE_COMMIT=unknown
RUN SLUICE_COMMIT="$SLUICE_COMMIT" scripts/build release -DSLUICE_TESTS=OFF --target sluice \
 && strip --strip-unneeded build/release/sluice

FROM debian:12-slim
COPY scripts/common.sh scripts/install-packages /tmp/scripts/
RUN /tmp/scripts/install-packages runtime \
 && rm -rf /tmp/scripts /var/lib/apt/lists/* \
 && useradd --system --uid 8080 --user-group --no-create-home --home-dir /var/lib/sluice \
      --shell /usr/sbin/nologin sluice \
 && install -d -o sluice -g sluice /var/lib/sluice /var/log/sluice /run/sluice
COPY --from=build /source/build/release/sluice /usr/local/bin/sluice
COPY conf/ /etc/sluice/conf/

USER sluice
WORKDIR /etc/sluice
VOLUME /var/lib/sluice
# HTTP and HTTPS. The admin listener is not among them: it takes loopback and Unix sockets only.
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sluice"]
CMD ["run", "--config", "/etc/sluice/conf/sluice.yaml"]
