"""Candidates as checks see them: any format, behind ``predict(batch)``, in a process apart."""
