"""The whole suite on one machine: embedded Postgres, a Snowflake emulator, the services and the gateway as child processes."""
