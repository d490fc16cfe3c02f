"""One means a file: SQL, files, models, jobs."""
