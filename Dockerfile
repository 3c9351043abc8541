# PostgreSQL's official image, with crisp_fdw:
#
#   docker build --build-arg POSTGRES=18 --tag postgres-crisp .
ARG POSTGRES=18

FROM postgres:$POSTGRES AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev make pkg-config \
        libcurl4-openssl-dev libjson-c-dev "postgresql-server-dev-$PG_MAJOR"
COPY . /src/crisp_fdw
RUN make -C /src/crisp_fdw install DESTDIR=/installed PG_CONFIG="/usr/lib/postgresql/$PG_MAJOR/bin/pg_config"

FROM postgres:$POSTGRES
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates libcurl4 libjson-c5 && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /installed /
