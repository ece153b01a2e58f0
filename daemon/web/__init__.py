"""The daemon's face: dashboard, API, health and metrics, on ``OUTBOX_HTTP_LISTEN``.

- :mod:`daemon.web.server`: the listening socket and its limits, as a supervised loop.
- :mod:`daemon.web.application`: ``build(context)``; what every request passes, and the table of routes.
- :mod:`daemon.web.context`: what a handler may ask for.
- :mod:`daemon.web.authority`: who is asking, and running an operator's SQL function under a name.
- :mod:`daemon.web.sessions`: the signed cookie and its CSRF token.
- :mod:`daemon.web.sign_in`: signing in and out.
- :mod:`daemon.web.api`, :mod:`daemon.web.openapi`: the API and its description.
- :mod:`daemon.web.metrics`, :mod:`daemon.web.probes`: ``/metrics``, ``/healthz``, ``/readyz``.
- :mod:`daemon.web.pages`: the dashboard's pages.

Writing a handler of a page
---------------------------

``pages.routes(context)`` returns Starlette routes below ``/admin/zoho-sync``. Before a handler there runs the gate
(:class:`daemon.web.authority.Gate`): whoever is not signed in never reaches it, and neither does a change without the
session's CSRF token. So a handler has nothing to check; it asks::

    operator = operator_of(request)                # Operator(name)
    form = await form_of(request)                  # dict[str, str] of an urlencoded POST

Every form that changes something carries the token, and a script sends it as a header ``X-CSRF-Token``::

    <input type="hidden" name="csrf_token" value="{{ csrf_token }}">

``rendered(request, "page.html", ...)`` (:mod:`daemon.web.rendering`) gives templates ``operator`` and ``csrf_token``.
What an operator starts goes through the same SQL functions as from psql, in one transaction under their name, and is
logged with who and why::

    async with acting(context.database, operator) as connection:
        await connection.execute("SELECT * FROM public.zoho_outbox_replay_entity(%s, %s)", [entity_type, entity_id])
    log_action(operator, "retry", why=why, entity_type=entity_type, entity_id=str(entity_id))

``context.database`` has few connections and ends each statement after :data:`daemon.web.connections.STATEMENT_SECONDS`;
``DatabaseUnavailable`` need not be caught, it becomes a 503 that says so. Counts over whole tables come from
``context.standing`` (:mod:`daemon.web.standing`), which reads them now and then for everybody.

The Content-Security-Policy allows scripts, styles, images and requests of this host alone: no inline script, no style
attribute. Files stand in ``static/`` and are served, also to whoever is not signed in, below
``/admin/zoho-sync/static/``. A request that a script makes (``Sec-Fetch-Mode`` other than ``navigate``) gets 401 where
the session has ended; a navigation is sent to the sign-in page and back.
"""
