"""Values that an app provides to the apps below it, which must not import it."""


class Provided[Value]:
    """A value that another app provides in its ``ready``."""

    _value: Value

    def provide(self, value: Value) -> None:
        self._value = value

    def get(self) -> Value:
        """Return the value.

        Raises:
            AttributeError: No app has provided it: Django is not set up.
        """
        return self._value
