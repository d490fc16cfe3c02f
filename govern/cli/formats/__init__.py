"""What ``govern ci`` writes: one pure function per format, from a report to text."""
