mod refused;
mod whole;
mod world;
