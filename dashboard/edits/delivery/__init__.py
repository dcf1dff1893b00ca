"""Deliver edits: bring what is waiting in an instance's queue to the cloud.

The sweep enqueues the instances of ``queue.due_instances``. For each a worker runs
``send.drain``:

1. ``queue.claim`` takes the lease of the queue, raises its fencing token and returns
   the edits to send, as a ``Delivery``.
2. ``send`` reads the instance (GET) and merges: requested, base and current values.
3. ``queue.about_to_send`` checks lease and permission and stores the request.
4. ``send`` writes (PUT, or start or stop) and reads back (GET).
5. ``outcome.record`` stores the result and returns the lease.

``circuit_breaker`` stops asking a cloud that does not answer, ``late_writes`` handles
writes that take effect after their answer was lost, ``heartbeat`` times the sweeps.
"""
