"""Client of the ModelArts development environment API, in both generations.

It needs no Django and no Celery, so that a plain script can use it::

    from dashboard.modelarts.client import ModelArtsClient
    from dashboard.modelarts.clouds import load_cloud

    with ModelArtsClient(load_cloud("otc")) as client:
        for page in client.demanager.list_instances():
            for instance in page.instances:
                print(instance.name, instance.status)
"""
