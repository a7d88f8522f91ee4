# The service only: one native binary and its librdkafka, on a base image without shell or package manager.
#
#   docker build -t concert-booking .
#   docker run --rm --env-file settings.env concert-booking migrate
#   docker run -d --env-file settings.env -p 8080:8080 --cpus 0.5 --memory 512m --read-only --cap-drop ALL concert-booking

FROM mcr.microsoft.com/dotnet/sdk:10.0-noble-aot AS build
WORKDIR /repository

# Restored before the source is copied, so that a change of code downloads nothing.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/ConcertBooking/ConcertBooking.csproj src/ConcertBooking/packages.lock.json src/ConcertBooking/
RUN dotnet restore src/ConcertBooking --use-current-runtime --locked-mode

COPY .editorconfig ./
COPY src/ConcertBooking src/ConcertBooking
# What --version prints; a release passes the version of its tag.
ARG VERSION
RUN dotnet publish src/ConcertBooking --configuration Release --use-current-runtime --no-restore --output /publish ${VERSION:+-p:Version=$VERSION} \
    && mkdir /out && cp /publish/concert-booking /publish/*librdkafka.so /out/ \
    && strip --strip-unneeded /out/*librdkafka.so

FROM mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled
WORKDIR /app
COPY --from=build /out ./

# 8080: the API. 8081: livez, readyz and metrics for operators.
EXPOSE 8080 8081
USER $APP_UID
HEALTHCHECK --interval=5s --timeout=4s --start-period=2s --retries=3 CMD ["/app/concert-booking", "healthcheck"]
ENTRYPOINT ["/app/concert-booking"]
