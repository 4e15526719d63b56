"""The figures of a report, one file each: ``draw(facts)`` gives drawings, ``ORDER`` its place."""
