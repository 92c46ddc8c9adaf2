mod conversation;
mod hostile;
mod kept;
mod owners;
mod parts;
mod refused;
mod whole;
mod world;
