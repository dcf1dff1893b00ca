# The image of every process: web server, workers, beat, migrations, emulator. Only the
# command differs (docker-compose.yml).

FROM python:3.13-slim-trixie AS packages
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements/base.txt requirements/
# Wheels only: nothing is compiled, so no compiler is needed, here or later.
RUN /app/.venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
    --requirement requirements/base.txt

FROM python:3.13-slim-trixie AS site
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY manage.py LICENSE CHANGELOG.md ./
COPY dashboard dashboard
COPY locale locale
COPY templates templates
COPY static static
# The settings want a key and a queue; neither ends up in the files collected here.
RUN CURFEW_SECRET_KEY=only-for-collecting-static-files-0123456789-abcdef \
    CURFEW_REDIS_URL=redis://localhost:6379/0 \
    CURFEW_DATABASE_URL=sqlite:///:memory: \
    python manage.py collectstatic --no-input

FROM python:3.13-slim-trixie
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin curfew
COPY --from=site /app .
USER 10001
EXPOSE 8000
# The web server's; the other services of docker-compose.yml bring their own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8000/healthz', timeout=2)"]
CMD ["python", "manage.py", "run", "--host", "0.0.0.0", "--port", "8000"]
