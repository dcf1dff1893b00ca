"""Client of the ModelArts development environment API (demanager generation).

httpx and pydantic only: no Django, no Celery, usable from a plain script::

    from dashboard.modelarts.client import ModelArtsClient
    from dashboard.modelarts.clouds import load_cloud

    with ModelArtsClient.from_config(load_cloud("otc")) as client:
        for page in client.list_instances():
            for instance in page.instances:
                print(instance.name, instance.status)
"""
