"""Deliver the edits in an instance's queue to the cloud.

The sweep enqueues the instances that ``due_queues`` chooses. For each a worker runs
``send.drain``. Where many instances of a cloud are due with new settings, it enqueues
``group.drain`` instead, which reads them by listing and otherwise does the same:

1. ``queue.claim`` takes the lease of the queue, raises its fencing token and returns
   the edits to send, as a ``Delivery``; ``claim_all`` does so for several.
2. ``send`` reads the instance (GET) and merges requested, base and current values.
3. ``authorization.authorize_request`` checks lease and permission, and stores the
   request.
4. ``writer`` writes (PUT, or start or stop) and reads back (GET).
5. ``record.record`` stores the report and returns the lease.

``circuit_breaker`` stops calls to a cloud that does not answer. ``late_writes`` and
``undo`` handle writes that are applied after their answer was lost. ``heartbeat``
stores the time of the last sweep.
"""
