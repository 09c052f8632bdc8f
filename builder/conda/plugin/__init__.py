"""conda asks the next mirror where one fails. Baked beside conda by builder; `BUILDER_CONDA_FAILOVER=0` turns it off.

conda alone aborts on a dead mirror (conda issue 5149). Its plugin system imports this module, which does two things:

- every CondaSession gets an adapter for the addresses of the mirrors in etc/builder/mirrors.json, and for no others.
  It passes each request on to conda's own adapter, and when that fails to the same file on the next mirror.
- a package whose body arrives short or with another hash is fetched again from the next mirror. conda's own
  verification of the hash is what tells, and stays what accepts it.

Nothing is ever accepted that conda would not accept: `verify`, `cert` and the TLS settings are conda's own for every
mirror, only https is asked, and what names the user (Authorization, Cookie, headers of other plugins) goes to the host
it was meant for alone.
"""
