"""What Alembic runs for every command; the connection comes from `hub.infra.migrate`."""

from alembic import context

from hub.infra.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=True,
    transaction_per_migration=True,  # what is done stays done, and a step may leave its transaction (CONCURRENTLY)
)
with context.begin_transaction():
    context.run_migrations()
