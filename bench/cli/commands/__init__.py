"""The commands of ``sam-bench``, a module each: ``add`` says its options, ``main`` does it.

``add(commands)`` puts the command's parser among the others and sets ``main`` as its ``command``;
``main(options)`` gives the exit code. Imports that take time stand inside ``main``, so that
``--help`` is instant.
"""
