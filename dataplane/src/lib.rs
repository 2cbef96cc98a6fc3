//! Everything of Tidegate that touches the world: captures, configuration, outputs, the command.
