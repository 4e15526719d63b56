"""Results on a disk or in a bucket: runs, parts, headers, the lock."""
