from serving.make import begin

begin()
