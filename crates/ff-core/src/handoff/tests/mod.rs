mod hostile;
mod kept;
mod refused;
mod whole;
mod world;
