# One static binary on an empty root. Builds with the plain builder as well as with BuildKit, for the machine's own
# architecture.

# The tag says what it is, and the digest which one: a tag may be moved. For a newer one, write the digest here that this
# tells: docker buildx imagetools inspect rust:1.95-bookworm
ARG BUILD_IMAGE=rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1
FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# The target is named although it is the host: otherwise build scripts and procedural macros would be linked
# statically too, which the compiler cannot load.
RUN mkdir .cargo \
 && printf '[build]\ntarget = "%s"\nrustflags = ["-C", "target-feature=+crt-static"]\n' \
      "$(rustc -vV | sed -n 's/^host: //p')" > .cargo/config.toml

# The dependencies are a layer of their own, built again only when they change. Benches are not for here.
COPY Cargo.toml Cargo.lock ./
RUN sed -i '/^\[\[bench]]/,/^$/d' Cargo.toml \
 && mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked

# Older than the stand-ins above, the sources would be taken for built.
COPY src src
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked --bin longshore \
 && mkdir -p /image/usr/bin /image/etc/longshore /data/srv/ftp/anonymous \
 && cp target/*/release/longshore /image/usr/bin/

# The licences of all that is in the program: its own, those of the crates, and those of the C library and of GCC's support
# library, which a static build contains.
COPY LICENSE docs/third-party-licenses.txt /image/usr/share/doc/longshore/
RUN cd /image/usr/share/doc/longshore \
 && cp /usr/share/doc/libc6/copyright glibc-copyright \
 && cp /usr/share/doc/gcc-12-base/copyright libgcc-copyright \
 && cp /usr/share/common-licenses/LGPL-2.1 /usr/share/common-licenses/GPL-3 . \
 && chmod 644 *

# Readable by any user and writable by root only, whatever the umask of the checkout; the data writable by user 1000 and
# by group 0, which is what platforms give to a container that runs under a user of their choice.
COPY conf /image/etc/longshore/conf
RUN chmod -R a+rX,go-w /image/etc \
 && chmod -R g=u /data/srv/ftp

FROM scratch
LABEL org.opencontainers.image.title="longshore" \
      org.opencontainers.image.description="An FTP server appliance, configured by file, environment or flags" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
COPY --from=build --chown=1000:0 /data /
# Relative paths, conf/settings.toml first of all, are below this.
WORKDIR /etc/longshore
USER 1000:1000
VOLUME /srv/ftp
# Sessions, their passive ports, and what FTP_HTTP_LISTEN=0.0.0.0:8080 answers.
EXPOSE 2121 30000-30009 8080
STOPSIGNAL SIGTERM
# Asks by the settings of the environment and the file; the server's flags are not known to it.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 CMD ["/usr/bin/longshore", "healthcheck"]
ENTRYPOINT ["/usr/bin/longshore"]
