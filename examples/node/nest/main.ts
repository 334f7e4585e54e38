// A NestJS gateway. Nest asks for "socket.io"; package.json has ferrio answer to that name.
import "reflect-metadata";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { IoAdapter } from "@nestjs/platform-socket.io";
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from "@nestjs/websockets";
import type { Server, Socket } from "socket.io";

@WebSocketGateway({ namespace: "news", cors: { origin: "*" } })
class NewsGateway implements OnGatewayConnection {
  @WebSocketServer()
  server!: Server;

  handleConnection(socket: Socket): void {
    socket.emit("welcome", socket.id);
  }

  @SubscribeMessage("news")
  news(@MessageBody() text: string, @ConnectedSocket() socket: Socket): { told: boolean } {
    socket.broadcast.emit("news", text);
    return { told: true };
  }
}

@Module({ providers: [NewsGateway] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: false });
  app.useWebSocketAdapter(new IoAdapter(app));
  await app.listen(process.env.PORT ?? 3000);
  console.log("listening on %d", app.getHttpServer().address().port);
}

main();
