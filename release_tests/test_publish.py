"""The repository becomes the candidate, once the gates that it asks for have opened."""


def test_publish(release):
    assert release.publish().snapshot
