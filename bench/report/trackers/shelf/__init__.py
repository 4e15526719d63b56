"""The trackers, a file each: ``send(record, project)`` hands over a run and says where it is."""
