"""Change instances: people submit edits, workers deliver them to ModelArts.

The web process stores an edit, and a worker sends it later::

    form ──▶ views.submit.edit ──▶ forms.EditForm.patch ──▶ services.submit_edit
                                                                  │
      one transaction: states.lock_queues, merge.differences (conflict?),
      policies.selectors.refused (policy?), states.create (edit, audit event)
                                                                  │ on commit
                                                           dispatch.enqueue
                                                                  ▼
    tasks.sweep_due_edits, every second ─────────────▶ tasks.drain_instance
      deadlines.fail_past_deadline                                │
      due_queues.take_due_queues                                  ▼
                                                    delivery.send.drain (see there)
                                                                  │
    livepoll ◀── FleetVersion.stamp ◀── states.move ◀── delivery.record.record

Terms:
    mirror: Our rows of the instances, as the clouds last showed them.
    base: The values that a person saw when they requested a change.
    drain: Deliver the open edits of one instance, oldest first.
    sweep: Enqueue the instances that need a worker now. No message is ever essential.
    lease: Of a queue: the right of one worker to deliver for one instance, for some
        seconds. Of a notebook (``leases``): how its current run ends.
    fencing token: A number that each attempt raises. A worker with an older one is
        late: it sends and records nothing.
    attempt: One request to the cloud, stored before it leaves. A delivery may make
        several.
    late write: A write that is applied after Curfew stopped waiting for its answer.
    late-write watch: The time in which the instance is read again to find late writes.
        One that must not stay is undone.
    deadline: When an edit that is still open fails.
    superseded: Ended, since a later edit requests all its fields.
"""
