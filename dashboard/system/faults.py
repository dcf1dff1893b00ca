from dashboard.web.stored_messages import Message


class FaultError(Exception):
    """A check failed; the message says what to do."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.code)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)
