"""What is done to a traced graph: ModelProto in, ModelProto out."""
