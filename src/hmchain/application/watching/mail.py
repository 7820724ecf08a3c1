"""Mail: it says that something waits, and where; never whom or what it is about, since mail servers are others'."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path

from hmchain.application.site.outgoing import MailSettings
from hmchain.application.watching.delivery import DeliveryError, secret_in


@dataclass(frozen=True)
class MailServer:
    """The way to a mail server. Prints without its password."""

    settings: MailSettings
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: MailSettings, keys: Path) -> MailServer:
        """With the password in its file. Raises `DeliverySecretError`."""
        return cls(settings, secret_in(keys / settings.password_file) if settings.password_file else "")

    def send(self, message: EmailMessage) -> None:
        """Hand a message over; its server has it when this returns. Raises `DeliveryError`."""
        try:
            with self._connected() as server:
                if self.password:
                    server.login(self.settings.user, self.password)
                server.send_message(message)
        except (smtplib.SMTPException, OSError) as error:  # ssl.SSLError is an OSError
            raise DeliveryError(f"the mail server took no mail: {_reason(error)}", _HINT) from error

    def _connected(self) -> smtplib.SMTP:
        settings, trust = self.settings, ssl.create_default_context(cafile=self.settings.ca_file or None)
        if settings.security == "tls":
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_seconds, context=trust)
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
        if settings.security == "starttls":
            try:
                server.starttls(context=trust)
            except BaseException:
                server.close()
                raise
        return server


_HINT = "see host, port, security, user and password_file under [mail] in portal.toml"


def _reason(error: Exception) -> str:
    """Its kind and code: a server's own words may repeat addresses."""
    code = getattr(error, "smtp_code", "")
    return f"{type(error).__name__}{f' {code}' if code else ''}"


def written(
    settings: MailSettings, receiver: str, key: str, origin: str, *, urgent: bool, made_ms: int
) -> EmailMessage:
    """The mail of one message; it is the same at each attempt."""
    mail = EmailMessage(policy=SMTP)
    domain = settings.sender.rpartition("@")[2]
    mail["From"], mail["To"] = settings.sender, receiver
    mail["Subject"] = "FL-HMChain: something urgent waits for you" if urgent else "FL-HMChain: something waits for you"
    mail["Message-ID"] = f"<{key}@{domain}>"
    mail["Date"] = formatdate(made_ms / 1000)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(
        f"Something {'urgent ' if urgent else ''}waits for you at your hospital's portal:\n\n"
        f"  {origin}/notifications\n\n"
        "This mail says no more on purpose: it passes through servers of others.\n"
    )
    return mail
