"""What an empty database gets at start: a first administrator and, to try it, the demo clinic."""

import logging

from app.core.config import Settings
from app.db.repositories import Repositories
from app.services.demo.loader import DemoLoader
from app.services.leases import Leases
from app.services.security import SecurityService

logger = logging.getLogger(__name__)

DEVELOPMENT_ADMIN = "admin@example.com"


class Bootstrap:
    """Fills an empty database, once, however many processes start on it."""

    def __init__(
        self,
        *,
        settings: Settings,
        repositories: Repositories,
        security: SecurityService,
        demo: DemoLoader,
        leases: Leases,
    ) -> None:
        self._settings = settings
        self._repositories = repositories
        self._security = security
        self._demo = demo
        self._leases = leases

    async def run(self) -> list[str]:
        """Create what is missing; sentences for the person at the terminal (never for a log)."""
        await self._repositories.patients.complete_search_keys()
        notices = await self._first_admin()
        if self._settings.loads_demo_data and not await self._demo.is_loaded():
            async with self._leases.hold("demo-data") as held:
                if held is not None and await self._demo.load():
                    notices.append("Loaded the demo clinic into the empty database.")
        return notices

    async def _first_admin(self) -> list[str]:
        email = self._admin_email()
        if email is None or not await self._repositories.staff.is_empty():
            return []
        configured = self._settings.first_admin_password
        password = configured.get_secret_value() if configured else None
        generated = await self._security.create_first_admin(email, password)
        if generated is None:
            return [f"Created the first administrator, {email}."]
        return [
            f"Created the first administrator. Sign in as {email} with this password, which is "
            f"shown only now: {generated}"
        ]

    def _admin_email(self) -> str | None:
        if self._settings.first_admin_email:
            return self._settings.first_admin_email
        return None if self._settings.is_production else DEVELOPMENT_ADMIN
