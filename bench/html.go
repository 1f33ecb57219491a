package main

func (r report) html() ([]byte, error) { return nil, nil }
