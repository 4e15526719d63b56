"""The trackers, a file each: ``send(record, project)`` hands over a run and says where it is.

Their packages are extras, so each is imported when something is sent.
"""
