"""The release run of this workspace: everything comes with the plugin of the packaging farm."""
