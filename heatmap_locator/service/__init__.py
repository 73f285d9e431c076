"""``heatmap-serve``: the library over HTTP, with a page for people and an API for programs.

Importing this package is cheap; ``heatmap_locator.service.app.create_app`` builds the application.
"""
