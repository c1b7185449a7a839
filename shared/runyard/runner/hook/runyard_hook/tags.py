"""Tags and properties: texts that a script gives its run."""

from .reading import PROPERTY, TAG, read_pairs


class Tags:
    """``tag``, ``add_properties`` and the like; needs ``_journal``."""

    @property
    def display_name(self):
        """A name for people; setting it makes it a property of the run."""
        return self.properties.get("displayName", self._name)

    @display_name.setter
    def display_name(self, display_name):
        self.add_properties({"displayName": display_name})

    @property
    def description(self):
        """A text for people; setting it makes it a property of the run."""
        return self.properties.get("description", "")

    @description.setter
    def description(self, description):
        self.add_properties({"description": description})

    @property
    def tags(self):
        """The tags that the script gave."""
        return read_pairs(self._journal.path, TAG, self._journal.child)

    @property
    def properties(self):
        """The properties that the script gave."""
        return read_pairs(self._journal.path, PROPERTY, self._journal.child)

    def get_tags(self):
        """The tags that the script gave."""
        return self.tags

    def get_properties(self):
        """The properties that the script gave."""
        return self.properties

    def tag(self, key, value=None):
        """Tag the run."""
        self._journal.write(key, TAG, str(value))

    def set_tags(self, tags):
        """Tag the run; other tags stay."""
        for key, value in tags.items():
            self.tag(key, value)

    def remove_tags(self, tags):
        """Remove tags that the script gave, by a list of names or one name."""
        for key in [tags] if isinstance(tags, str) else list(tags):
            self._journal.write(key, TAG, None)

    def add_properties(self, properties):
        """Add properties; the last value of each counts."""
        for key, value in properties.items():
            self._journal.write(key, PROPERTY, str(value))
