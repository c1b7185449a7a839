"""A runner that reaches its service and its blobs over HTTP only: in the cloud it has nothing but its attempt's token.

::

    token ──► links ──► register won ──► job, snapshot ──► the script, as on any machine ──► files ──► result.json
                           └► refused: exit                 (its log and metrics follow meanwhile)
"""
