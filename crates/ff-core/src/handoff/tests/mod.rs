mod hostile;
mod hostile_state;
mod kept;
mod refused;
mod states;
mod whole;
mod world;
