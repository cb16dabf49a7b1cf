"""`python -m courierx_app.cli`: the command line without the installed script."""

from courierx_app.cli import main

main()
