"""The Celery worker: leases jobs from the database and runs them."""
