"""The dashboard's pages, below ``/admin/zoho-sync``.

==================================  ===================================================================================
``GET  ``                           overview: state, counts, charts, recent activity (:mod:`.overview`)
``GET  /work``                      unfinished work by standing (:mod:`.work`)
``GET  /failed``, ``/failed/KEY``   dead letters by cause, and those of one cause (:mod:`.failed`)
``GET  /comparison``                what the last comparison with Zoho found (:mod:`.comparison`)
``GET  /TYPE/ID``                   one row's story (:mod:`.entity`)
``GET  /find``                      from a number to a row (:mod:`.find`)
``POST``                            what operators start (:mod:`.actions`)
==================================  ===================================================================================

Without JavaScript everything works; ``static/refresh.js`` keeps a page fresh. Words and moments: :mod:`.wording`.
"""

from starlette.routing import BaseRoute

from daemon.web.context import Context
from daemon.web.pages import actions, comparison, entity, failed, find, overview, work
from daemon.web.rendering import templates


def routes(context: Context) -> list[BaseRoute]:
    """In their order: what names a type comes last.

    Templates are compiled now, and not while the first person waits.
    """
    for template in templates().list_templates():
        templates().get_template(template)
    return [
        *overview.routes(context),
        *work.routes(context),
        *failed.routes(context),
        *comparison.routes(context),
        *find.routes(context),
        *actions.routes(context),
        *entity.routes(context),
    ]
