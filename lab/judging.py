"""A model that judges with the model that it is here, as a plan holds it."""

from lab.judge import ModelJudge
from lab.model.base import Base
from lab.model.foreign import Adapter
from lab.strict import Strict
from lab.types import Fields


class Judging(Strict):
    """A judge as it is loaded."""

    judge: ModelJudge
    base: Base
    adapter: Adapter | None = None
    engine: str
    """A file of lab/engines/, or the full path of one."""
    answered: str
    """Its name, with the version of its numbers."""
    code: str | None = None
    """Digest of the engine's file, where a user wrote it."""

    @property
    def identity(self) -> Fields:
        """What its verdicts follow from; it enters keys."""
        judge = self.judge
        said: Fields = {
            "prompt": judge.prompt,
            "system": judge.system,
            "verdicts": [list(verdict) for verdict in judge.verdicts],
            "engine": self.answered,
            **self.base.config,
        }
        # Its name stands in rows.
        said["name"] = judge.title
        if self.code:
            said["code"] = self.code
        if self.adapter:
            said["adapter"] = self.adapter.identity
        return said
